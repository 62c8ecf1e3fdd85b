<?php
// Serves what is a file as it is, and gives everything else to WordPress.
$root = $_SERVER['DOCUMENT_ROOT'];
$path = rawurldecode(parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) ?? '/');
if (str_contains($path, '..')) {
    http_response_code(404);
    return true;
}
if ($path === '/wp-admin') {
    header('Location: /wp-admin/');
    return true;
}
if (is_dir($root . $path) && is_file($root . rtrim($path, '/') . '/index.php')) {
    $path = rtrim($path, '/') . '/index.php';
}
if (is_file($root . $path) && !str_ends_with($path, '.php')) {
    return false;
}
$script = is_file($root . $path) ? $path : '/index.php';
$_SERVER['SCRIPT_NAME'] = $_SERVER['PHP_SELF'] = $script;
$_SERVER['SCRIPT_FILENAME'] = $root . $script;
chdir(dirname($root . $script));
require $root . $script;
