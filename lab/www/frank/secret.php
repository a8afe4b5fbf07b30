<?php return "secret of frank";
