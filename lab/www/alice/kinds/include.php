<?php
// Includes another tenant's file, which that tenant's own requests have compiled.
header('Content-Type: text/plain');
ini_set('display_errors', '0');
$secret = 'refused';
@include '/lab/www/alice/kinds/config.php';
echo "own=$secret ";
$secret = 'refused';
@include '/lab/www/bob/config.php';
echo "other=$secret\n";
