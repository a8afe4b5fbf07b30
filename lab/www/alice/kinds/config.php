<?php $secret = 'password of alice'; echo '';
