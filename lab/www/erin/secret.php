<?php return "secret of erin";
