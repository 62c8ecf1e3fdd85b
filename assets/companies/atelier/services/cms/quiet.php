<?php
// What people do not need for writing a post stays out of their way.
add_filter('use_block_editor_for_post', '__return_false');
add_filter('user_can_richedit', '__return_false');
add_filter('wp_lazy_loading_enabled', '__return_false');
add_filter('show_admin_bar', '__return_false');
add_filter('pre_http_request', fn() => new WP_Error('no_network', 'This site has no network.'));
add_filter('pre_site_transient_update_core', fn() => (object) ['last_checked' => time(), 'version_checked' => $GLOBALS['wp_version'], 'updates' => []]);
add_filter('pre_site_transient_update_plugins', fn() => (object) ['last_checked' => time(), 'response' => []]);
add_filter('pre_site_transient_update_themes', fn() => (object) ['last_checked' => time(), 'response' => []]);
remove_action('init', 'smilies_init', 5);
add_action('init', fn() => wp_deregister_script('heartbeat'), 1);
add_action('wp_dashboard_setup', function () {
    global $wp_meta_boxes;
    $wp_meta_boxes['dashboard'] = [];
    remove_action('welcome_panel', 'wp_welcome_panel');
}, 99);
add_action('admin_enqueue_scripts', function () {
    // A page at rest stays as it is.
    wp_add_inline_style('common', '*, *::before, *::after { animation: none !important; transition: none !important; caret-color: transparent !important; }');
});
add_action('add_meta_boxes', function () {
    foreach (['commentstatusdiv', 'commentsdiv', 'slugdiv', 'authordiv', 'trackbacksdiv', 'postcustom', 'postexcerpt', 'formatdiv', 'tagsdiv-post_tag', 'categorydiv'] as $box) {
        remove_meta_box($box, 'post', 'normal');
        remove_meta_box($box, 'post', 'side');
    }
}, 99);
