<?php
// One application for all tenants: does what the query string says.
//   read=FILE  write=FILE  body  session  upload=FOLDER  tmp  connect=ADDRESS
header('Content-Type: text/plain');
error_reporting(0);

function say(string $what, string $outcome): void { echo "$what=$outcome\n"; }

foreach (explode('&', $_SERVER['QUERY_STRING']) as $word) {
    [$verb, $value] = explode('=', $word . '=', 3);
    switch ($verb) {
        case 'read':
            $text = file_get_contents($value);
            say("read $value", $text === false ? 'refused' : 'OK ' . strtok($text, "\n"));
            break;
        case 'write':
            say("write $value", file_put_contents($value, "written\n", FILE_APPEND) ? 'OK' : 'refused');
            break;
        case 'body':
            say('body', (string) strlen(file_get_contents('php://input')));
            break;
        case 'session':
            say('session started', session_start() ? 'OK' : 'refused');
            $_SESSION['count'] = ($_SESSION['count'] ?? 0) + 1;
            say('session', session_id() . ' ' . $_SESSION['count']);
            break;
        case 'upload':
            $file = $_FILES['file'] ?? ['error' => -1];
            say('upload', $file['error'] !== 0 ? "error {$file['error']}"
                : (move_uploaded_file($file['tmp_name'], "$value/{$file['name']}") ? "OK {$file['size']}" : 'not moved'));
            break;
        case 'connect':
            $socket = stream_socket_client($value, $number, $why, 5);
            say("connect $value", $socket ? 'OK ' . trim(fgets($socket)) : "refused ($why)");
            break;
        case 'tmp':
            $name = tempnam('/tmp', 'lab');
            say('tmp', $name && file_put_contents($name, 'x') ? "OK $name" : 'refused');
            break;
    }
}
