<?php
// An application of pools: does what the query string says, a line each. Its tenants try each other's things with it.
//   context  pid  read=FILE  write=FILE  include=FILE  cached  invalidate=FILE  table=FILE  handle=PORT
//   set=VALUE  get  socket=PATH  temporary  run=PROGRAM
header('Content-Type: text/plain');
error_reporting(0);

function say(string $what, string $outcome): void { echo "$what=$outcome\n"; }

// A database by a handle that outlives the request, with a row in it.
function table(string $file): string {
    try {
        $database = new PDO("sqlite:$file", null, null, [PDO::ATTR_PERSISTENT => true]);
        $database->exec('CREATE TABLE IF NOT EXISTS t (x TEXT)');
        $database->exec("INSERT INTO t VALUES ('row')");
        return 'OK ' . $database->query('SELECT count(*) FROM t')->fetchColumn();
    } catch (PDOException $e) {
        return 'refused ' . $e->getMessage();
    }
}

foreach (explode('&', $_SERVER['QUERY_STRING']) as $word) {
    [$verb, $value] = explode('=', $word . '=', 3);
    switch ($verb) {
        case 'context':
            say('context', $_SERVER['CONFINE_CONTEXT'] ?? 'none');
            break;
        case 'pid':
            say('pid', (string) getmypid());
            break;
        case 'read':
            $text = file_get_contents($value);
            say("read $value", $text === false ? 'refused' : 'OK ' . strtok($text, "\n"));
            break;
        case 'write':
            say("write $value", file_put_contents($value, "written\n") ? 'OK' : 'refused');
            break;
        case 'include':
            $secret = include $value;
            say("include $value", $secret === false ? 'refused' : "OK $secret");
            break;
        case 'cached':
            foreach (array_keys(opcache_get_status()['scripts'] ?? []) as $script) {
                say('cached', $script);
            }
            break;
        case 'invalidate':
            say("invalidate $value", opcache_invalidate($value, true) ? 'OK' : 'nothing');
            break;
        case 'table':
            say("table $value", table($value));
            break;
        case 'handle':
            $handle = pfsockopen('127.0.0.1', (int) $value, $number, $why, 5);
            if (!$handle) {
                say('handle', "refused $why");
                break;
            }
            fwrite($handle, "which\n");
            say('handle', trim(fgets($handle)));
            break;
        case 'set':
            say('set', apcu_store('secret', $value) ? 'OK' : 'refused');
            break;
        case 'get':
            say('get', apcu_fetch('secret') ?: 'nothing');
            break;
        case 'socket':
            $socket = stream_socket_client("unix://$value", $number, $why, 5);
            say("socket $value", $socket ? 'OK' : "refused $why");
            break;
        case 'temporary':
            $name = tempnam(sys_get_temp_dir(), 'lab');
            say('temporary', $name && file_put_contents($name, 'x') ? "OK $name" : 'refused');
            break;
        case 'run':
            say("run $value", exec("$value 2>/dev/null") ?: 'refused');
            break;
    }
}
