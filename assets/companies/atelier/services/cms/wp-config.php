<?php
// Settings of the gallery's website. The database listens on a socket in the service's own folder, and nowhere else.
$data = getenv('MEZZANINE_SERVICE_DATA');
define('DB_NAME', 'website');
define('DB_USER', 'root');
define('DB_PASSWORD', '');
define('DB_HOST', 'localhost:' . $data . '/mysqld.sock');
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
define('WP_HOME', 'http://cms.atelier.local');
define('WP_SITEURL', 'http://cms.atelier.local');
$key = trim(file_get_contents($data . '/secrets/database-key'));
foreach (['AUTH_KEY', 'SECURE_AUTH_KEY', 'LOGGED_IN_KEY', 'NONCE_KEY', 'AUTH_SALT', 'SECURE_AUTH_SALT', 'LOGGED_IN_SALT', 'NONCE_SALT'] as $name) {
    define($name, hash('sha256', $name . $key));
}
// The site stands alone: it asks nobody outside and never changes itself.
define('WP_HTTP_BLOCK_EXTERNAL', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
define('DISALLOW_FILE_MODS', true);
define('DISABLE_WP_CRON', true);
define('WP_POST_REVISIONS', false);
define('AUTOSAVE_INTERVAL', 86400);
define('WP_DEBUG', false);
define('CONCATENATE_SCRIPTS', false);
define('EMPTY_TRASH_DAYS', 0);
$table_prefix = 'wp_';
if (!defined('ABSPATH')) {
    define('ABSPATH', __DIR__ . '/');
}
require_once ABSPATH . 'wp-settings.php';
