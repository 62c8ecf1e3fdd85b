<?php
// Makes the website's database, its one author, and the pictures that the gallery's photographer has put in, where they are not there yet.
$data = getenv('MEZZANINE_SERVICE_DATA');
$_SERVER['HTTP_HOST'] = 'cms.atelier.local';
$_SERVER['REQUEST_METHOD'] = 'GET';
$_SERVER['REQUEST_URI'] = '/';
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
(new mysqli(null, 'root', '', null, 0, $data . '/mysqld.sock'))->query('create database if not exists website character set utf8mb4');
define('WP_INSTALLING', true);
require $data . '/site/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';
require_once ABSPATH . 'wp-admin/includes/image.php';

// Nobody is to be written to.
if (!function_exists('wp_new_blog_notification')) {
    function wp_new_blog_notification() {}
}
add_filter('pre_wp_mail', '__return_true');

$password = trim(file_get_contents($data . '/secrets/cms-password'));
if (!is_blog_installed()) {
    wp_install('Atelier Gallery', 'mira', 'mira@atelier.local', false, '', $password);
    update_option('blogdescription', 'Pictures from the north');
    switch_theme('atelier');
    update_option('default_pingback_flag', 0);
    update_option('default_comment_status', 'closed');
    update_option('permalink_structure', '/%postname%/');
    foreach (get_posts(['numberposts' => -1, 'post_type' => ['post', 'page'], 'post_status' => 'any']) as $post) {
        wp_delete_post($post->ID, true);
    }
}
$user = get_user_by('login', 'mira');
if (!wp_check_password($password, $user->user_pass, $user->ID)) {
    wp_set_password($password, $user->ID);
}
update_user_meta($user->ID, 'dismissed_wp_pointers', 'wp496_privacy,plugin_editor_notice,theme_editor_notice');
update_user_meta($user->ID, 'show_welcome_panel', 0);
update_user_meta($user->ID, 'rich_editing', 'false');
update_user_option($user->ID, 'user-settings', 'libraryContent=browse&editor=html');
update_user_option($user->ID, 'user-settings-time', time());

foreach (glob(getenv('MEZZANINE_COMPANY') . '/files/post/*.png') as $file) {
    $title = ucfirst(str_replace('-', ' ', basename($file, '.png')));
    if (get_page_by_title($title, OBJECT, 'attachment')) {
        continue;
    }
    $kept = wp_upload_bits(basename($file), null, file_get_contents($file));
    if ($kept['error']) {
        fwrite(STDERR, $kept['error'] . "\n");
        exit(1);
    }
    $id = wp_insert_attachment(['post_title' => $title, 'post_mime_type' => 'image/png', 'post_status' => 'inherit', 'post_author' => $user->ID], $kept['file']);
    wp_update_attachment_metadata($id, wp_generate_attachment_metadata($id, $kept['file']));
    update_post_meta($id, '_wp_attachment_image_alt', $title);
}
