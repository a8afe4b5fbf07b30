<?php $secret = 'password of bob'; if (strpos($_SERVER['SCRIPT_NAME'], '/bob/') === 0) echo "page of bob, in PHP\n";
