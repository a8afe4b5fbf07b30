# shellcheck shell=bash
# Users in profiles of their own, plain files, event MPM; httpd in its own profile, that enforces.

people_server
is 'the server is in its own profile' "$(server_context)" 'apache2 (enforce)'

as alice
serves 'alice reads her page' '^page of alice' /alice/index.html
serves 'alice reads her data' '^kept by alice' /alice/data/note.txt
no_denial 'her profile has all that a static file needs'
status "bob's page is refused to alice" 403 /bob/index.html
denial 'by the kernel, not by httpd' 'apparmor="DENIED" operation="open" .*profile="lab_alice" name="/lab/www/bob/index.html"'
logged 'the decision is logged' 'confined GET /alice/index.html user=alice .*context=apparmor:lab_alice'
logged 'the log says where to look' 'failed GET /bob/index.html user=alice .*: answered 403 .*aa-logprof'
as bob
serves 'bob reads his page' '^page of bob' /bob/index.html
status "alice's page is refused to bob" 403 /alice/index.html
denial 'by the kernel' 'apparmor="DENIED" .*profile="lab_bob" name="/lab/www/alice/index.html"'
as carol
serves 'carol, in a hat, reads her page' '^page of carol' /carol/index.html
forget
status "bob's data is refused to carol" 403 /bob/data/note.txt
denial 'by the kernel' 'apparmor="DENIED" .*profile="apache2//carol" name="/lab/www/bob/data/note.txt"'
as dave
status 'a user without a rule is refused' 403 /dave/index.html
anonymous
status 'nobody is asked who he is' 401 /alice/index.html
serves 'unconfined, in plain words' '^up' /up
