# shellcheck shell=bash
# Users in bounded domains, plain files, event MPM.

tenants_server

as alice
serves 'alice reads her page' '^page of alice' /alice/index.html
serves 'alice reads her data' '^kept by alice' /alice/data/note.txt
no_denial 'her domain has all that a static file needs'
status "bob's page is refused to alice" 403 /bob/index.html
denial 'by the kernel, not by httpd' 'denied .*scontext=alice\.process:s0 tcontext=bob\.readable'
logged 'the decision is logged' 'confined GET /alice/index.html user=alice .*context=selinux:alice\.process:s0'
logged 'the log says where to look' 'failed GET /bob/index.html user=alice .*: answered 403 .*ausearch --message avc'
as bob
serves 'bob reads his page' '^page of bob' /bob/index.html
status "alice's page is refused to bob" 403 /alice/index.html
as carol
serves 'carol, static profile, reads her page' '^page of carol' /carol/index.html
status "bob's data is refused to carol" 403 /bob/data/note.txt
forget
as dave
status 'a user without a rule is refused' 403 /dave/index.html
logged 'and told which rule is missing' 'refused GET /dave/index.html user=dave'
anonymous
status 'nobody is asked who he is' 401 /alice/index.html
serves 'unconfined, in plain words' '^up' /up
