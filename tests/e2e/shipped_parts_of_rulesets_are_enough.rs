//! The shipped files for `LandlockInclude` grant what each kind of application needs. They are necessary: with the
//! application's own folder alone it fails.

use confine_tests::{Cell, Request, Server, ServerBuilder, matrix};

/// The folder of the files in these sources.
fn with_shipped(builder: ServerBuilder) -> ServerBuilder {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf/landlock");
    builder.config(format!("LandlockIncludeDir \"{}\"", folder.display()))
}

/// Two places with the same application: `/with` under a ruleset with `include` and `own`, `/without` under `own` alone.
fn both(builder: ServerBuilder, folder: &str, include: &str, own: &str) -> ServerBuilder {
    let builder = with_shipped(builder)
        .ruleset("with", &format!("LandlockInclude {include}\n{own}"))
        .ruleset("without", own);
    ["with", "without"].into_iter().fold(builder, |builder, name| {
        builder
            .alias(&format!("/{name}"), folder)
            .location(&format!("/{name}"), &format!("Require all granted\nConfineContext landlock:{name}"))
    })
}

#[track_caller]
fn says(server: &Server, target: &str, text: &str) {
    let response = server.client().get(target).expect_status(200);
    assert_eq!(response.text().trim(), text, "{target}");
}

#[track_caller]
fn fails(server: &Server, target: &str, text: &str) {
    let answer = server.client().try_send(&Request::get(target));
    assert!(answer.as_ref().map_or(true, |r| r.text().trim() != text), "{target}: {answer:?}");
}

const PHP: &str = "<?php date_default_timezone_set('Europe/Berlin'); $d = new DateTime('@1700000000');
$d->setTimezone(new DateTimeZone('Asia/Tokyo'));
echo date('H:i', 1700000000), ' ', $d->format('H:i'), ' ', strlen(random_bytes(4)), ' ',
    is_readable('/etc/passwd') && @file_get_contents('/etc/passwd') !== false ? 'open' : 'closed';
";

fn php(cell: Cell) {
    let server = both(cell.server().modules(["php"]), "www/app", "php", "LandlockRead \"@root@/www/app\"")
        .config("AddHandler application/x-httpd-php .php")
        .file("www/app/index.php", PHP)
        .start();
    let right = "23:13 07:13 4 closed";
    says(&server, "/with/index.php", right);
    fails(&server, "/without/index.php", right);
}

matrix!(php once on prefork);

const PYTHON: &str = "def application(environ, start_response):
    import json, sqlite3, ssl, time, decimal
    ssl.create_default_context()
    start_response('200 OK', [('Content-Type', 'text/plain')])
    try:
        secret = open('/etc/passwd').read()
    except PermissionError:
        secret = 'closed'
    return [json.dumps({'x': str(decimal.Decimal(1)), 'passwd': secret}).encode()]
";

fn python(cell: Cell) {
    let server =
        both(cell.server().modules(["wsgi"]), "www/app", "python", "LandlockRead \"@root@/www/app\"")
            .config("AddHandler wsgi-script .wsgi\nWSGIRestrictStdout Off\nConfineTrustScripts mod_wsgi")
            .directory("www/app", "Options +ExecCGI")
            .file("www/app/app.wsgi", PYTHON)
            .start();
    // Without the include the interpreter cannot start, and it ends the child.
    says(&server, "/with/app.wsgi", "{\"x\": \"1\", \"passwd\": \"closed\"}");
}

matrix!(python once);

const PERL: &str = "#!/usr/bin/perl
use strict; use POSIX qw(strftime); use JSON::PP; use Encode;
$ENV{TZ} = 'Asia/Tokyo';
print \"Content-Type: text/plain\\n\\n\";
my $passwd = open(my $f, '<', '/etc/passwd') ? 'open' : 'closed';
print strftime('%H:%M', localtime(1700000000)), ' ', encode_json([1]), ' ', $passwd, ' ', `echo sub`;
";

fn perl_by_cgi(cell: Cell) {
    let own = "LandlockExecute \"@root@/cgi\"";
    let server = both(cell.server().modules(["cgi"]), "cgi", "cgi perl", own)
        .directory("cgi", "Options +ExecCGI\nSetHandler cgi-script")
        .program("cgi/app.pl", PERL)
        .start();
    let right = "07:13 [1] closed sub";
    says(&server, "/with/app.pl", right);
    fails(&server, "/without/app.pl", right);
}

matrix!(perl_by_cgi once);

/// A clone by the smart protocol begins with this request, and with it http-backend starts upload-pack.
fn git_by_cgi(cell: Cell) {
    let own = "LandlockRead \"@root@/repositories\"";
    let builder = with_shipped(cell.server().modules(["cgi", "env"]))
        .ruleset("with", &format!("LandlockInclude git\n{own}"))
        .ruleset("without", own)
        .file("repositories/dog.git/HEAD", "ref: refs/heads/main\n")
        .file("repositories/dog.git/config", "[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
        .file("repositories/dog.git/git-daemon-export-ok", "")
        .folder("repositories/dog.git/objects")
        .folder("repositories/dog.git/refs")
        .config(
            "SetEnv GIT_PROJECT_ROOT \"@root@/repositories\"\nSetEnv GIT_CONFIG_COUNT 1\n\
             SetEnv GIT_CONFIG_KEY_0 safe.directory\nSetEnv GIT_CONFIG_VALUE_0 *",
        );
    let backend = ["/usr/lib/git-core/git-http-backend", "/usr/libexec/git-core/git-http-backend"];
    let backend = backend.into_iter().find(|p| std::path::Path::new(p).exists()).expect("git is installed");
    let server = ["with", "without"]
        .into_iter()
        .fold(builder, |builder, name| {
            builder.config(format!("ScriptAlias /{name} {backend}")).location(
                &format!("/{name}"),
                &format!("Require all granted\nConfineContext landlock:{name}"),
            )
        })
        .start();
    let refs = |place: &str| {
        server.client().get(&format!("/{place}/dog.git/info/refs?service=git-upload-pack")).text()
    };
    let with = refs("with");
    assert!(with.contains("# service=git-upload-pack"), "{with}");
    assert!(!refs("without").contains("# service=git-upload-pack"));
}

matrix!(git_by_cgi once);

fn webdav(cell: Cell) {
    let own =
        "LandlockRead \"@root@/www/dav\" \"@root@/locks\"\nLandlockWrite \"@root@/www/dav\" \"@root@/locks\"";
    let builder =
        cell.server().modules(["dav", "dav_fs"]).writable_folder("www/dav").writable_folder("locks");
    let server = with_shipped(builder)
        .ruleset("with", &format!("LandlockInclude dav\n{own}"))
        .config("DavLockDB \"@root@/locks/db\"\nAlias /dav \"@root@/www/dav\"")
        .location("/dav", "Dav On\nConfineContext landlock:with")
        .start();
    let client = server.client();
    let send = |method: &str, body: &str, headers: &[(&str, &str)]| {
        let request = Request::upload(method, "/dav/note.txt", body.into());
        client.send(&headers.iter().fold(request, |r, (name, value)| r.header(name, value)))
    };
    send("PUT", "note", &[]).expect_status(201);
    let lock =
        "<lockinfo xmlns='DAV:'><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>";
    send("LOCK", lock, &[("Content-Type", "text/xml")]).expect_status(200);
    send("PUT", "other", &[]).expect_status(423);
    let found = send("PROPFIND", "", &[("Depth", "0")]).expect_status(207).text();
    assert!(found.contains("lockdiscovery") && found.contains("text/plain"), "{found}");
    assert_eq!(client.get("/dav/note.txt").expect_status(200).text(), "note");
}

matrix!(webdav once);

/// Faults of the directive, and of a file that the administrator wrote.
fn faults(cell: Cell) {
    let refused = |lines: &str, says: &[&str]| {
        let own = "LandlockRead \"-/usr/share/zoneinfo\"\nConfineContext unconfined\n";
        let refusal = with_shipped(cell.server())
            .config("LandlockIncludeDir \"@root@/own\"")
            .file("own/bad.conf", own)
            .file("own/loop.conf", "LandlockInclude loop base\nLandlockRead relative\n")
            .config(format!("<ConfineLandlock x>\n{lines}\n</ConfineLandlock>"))
            .refused();
        refusal.says(says);
    };
    refused(
        "LandlockInclude bsae",
        &["no file bsae.conf in ", "there are: bad, base, cgi, ", "did you mean base?"],
    );
    refused("LandlockInclude ../base", &["is no name of a file for LandlockInclude"]);
    refused("LandlockInclude", &["takes at least one name"]);
    refused(
        "LandlockInclude bad",
        &["/own/bad.conf:2: ConfineContext cannot stand in a file for LandlockInclude"],
    );
    refused("LandlockInclude loop", &["/own/loop.conf:2: path \"relative\" is not absolute"]);
    refused("LandlockIncludeDir /nonexistent", &["no folder"]);
    with_shipped(cell.server())
        .config("LandlockInclude base")
        .refused()
        .says(&["stands outside of a section"]);
}

matrix!(faults once);
