<?php
// Takes a payment, keeps it in payments.json, and says so. The same payment run a second time is only counted.
$file = getenv('MEZZANINE_SERVICE_DATA') . '/payments.json';
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
header('Cache-Control: no-store');
header('Content-Type: text/html; charset=utf-8');

function page(string $title, string $body): void
{
    echo "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>$title</title><link rel=\"icon\" href=\"data:,\"><style>
body{font:18px/1.5 'DejaVu Sans',sans-serif;margin:0;background:#efe9df;color:#2b2f33}
header{background:#3a4a54;color:#efe9df;padding:18px 60px;font-size:22px}
main{margin:36px 60px;max-width:640px;background:#fff;padding:12px 36px 36px}
label{display:block;margin:18px 0 4px}
input{font:inherit;width:100%;box-sizing:border-box;padding:8px;border:1px solid #8a8378;caret-color:transparent}
button{font:inherit;margin-top:28px;padding:10px 28px;background:#1e7f5c;color:#fff;border:0}
dt{color:#6b6459}dd{margin:0 0 12px;font-size:20px}</style></head><body><header>Quayside Bank</header><main>$body</main></body></html>";
}

if ($path === '/favicon.ico') {
    http_response_code(404);
    return;
}
if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
    page('New payment', '<h1>New payment</h1><form method="post" action="/payments" autocomplete="off">
<label for="payee">Payment run</label><input id="payee" name="run" required>
<label for="count">Number of invoices</label><input id="count" name="count" inputmode="numeric" required>
<label for="amount">Amount in EUR</label><input id="amount" name="amount" inputmode="decimal" required>
<button>Submit payment</button></form>');
    return;
}
$run = trim($_POST['run'] ?? '');
$count = trim($_POST['count'] ?? '');
$amount = str_replace(',', '', trim($_POST['amount'] ?? ''));
if ($run === '' || !ctype_digit($count) || !preg_match('/^\d{1,9}(\.\d{1,2})?$/', $amount)) {
    http_response_code(422);
    page('Payment refused', '<h1>Payment refused</h1><p>A payment needs a name, the number of invoices, and an amount such as 120.50.</p>');
    return;
}
$handle = fopen($file, 'c+');
flock($handle, LOCK_EX);
$kept = json_decode(stream_get_contents($handle) ?: '{}', true) ?: ['payments' => [], 'duplicates' => 0];
$payment = ['run' => $run, 'invoices' => (int) $count, 'amount' => number_format((float) $amount, 2, '.', '')];
if (isset($kept['payments'][$run])) {
    $kept['duplicates']++;
} else {
    $kept['payments'][$run] = $payment;
}
$number = sprintf('QB-%04d', count($kept['payments']));
rewind($handle);
ftruncate($handle, 0);
fwrite($handle, json_encode($kept, JSON_PRETTY_PRINT) . "\n");
fclose($handle);
$safe = fn(string $text) => htmlspecialchars($text, ENT_QUOTES);
page('Payment received', '<h1>Payment received</h1><dl><dt>Receipt</dt><dd>' . $number . '</dd><dt>Payment run</dt><dd>' . $safe($run)
    . '</dd><dt>Invoices</dt><dd>' . $safe($count) . '</dd><dt>Amount</dt><dd>EUR ' . $payment['amount'] . '</dd></dl>');
