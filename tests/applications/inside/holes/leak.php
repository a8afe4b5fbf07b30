<?php
// A hole that an application has, and nobody knows of.
switch ($_GET['do']) {
    case 'read':
        echo @file_get_contents($_GET['what']) ?: 'nothing';
        break;
    case 'connect':
        echo @fsockopen('127.0.0.1', (int) $_GET['what'], $number, $text, 2) ? 'connected' : 'nothing';
        break;
    case 'run':
        echo shell_exec('/usr/bin/factor 7') ?: 'nothing';
        break;
}
