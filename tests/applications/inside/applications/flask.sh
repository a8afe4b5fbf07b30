# shellcheck shell=bash disable=SC2034,SC2164 # the story reads it, and ends where something fails
# An application of Flask's, embedded in the server by mod_wsgi: users, notes in SQLite, files.
MODULES=(wsgi)
HOLE=/leak

prepare() {
    mkdir -p "/srv/$1/app/templates" "/srv/$1/app/static" "/srv/$1/data/files"
    chown -R www-data: "/srv/$1/data"
    echo "body { color: black }" >"/srv/$1/app/static/style.css"
    cat >"/srv/$1/app/templates/notes.html" <<'END'
<!doctype html>
<title>Notes</title>
{% for text in notes %}<p>{{ text }}</p>
{% endfor %}
END
    cp holes/leak.py "/srv/$1/app/leak.py"
    cat >"/srv/$1/app/app.wsgi" <<END
import os, sqlite3, sys
sys.path.insert(0, '/srv/$1/app')
from flask import Flask, abort, g, redirect, render_template, request, send_from_directory, session
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.utils import secure_filename
from leak import leak

application = Flask('notes', root_path='/srv/$1/app')
application.secret_key = 'key of $1'
known = generate_password_hash('password-of-kim')


def database():
    if 'database' not in g:
        g.database = sqlite3.connect('/srv/$1/data/notes.db')
        g.database.execute('CREATE TABLE IF NOT EXISTS notes (text TEXT)')
    return g.database


@application.teardown_appcontext
def close(error):
    if 'database' in g:
        g.pop('database').close()


@application.post('/login')
def login():
    if not check_password_hash(known, request.form['password']):
        abort(403)
    session['user'] = 'kim'
    return redirect('/')


@application.route('/', methods=['GET', 'POST'])
def notes():
    if 'user' not in session:
        abort(401)
    if request.method == 'POST':
        with database() as on:
            on.execute('INSERT INTO notes VALUES (?)', [request.form['text']])
    wanted = '%' + request.args.get('search', '') + '%'
    rows = database().execute('SELECT text FROM notes WHERE text LIKE ?', [wanted])
    return render_template('notes.html', notes=[row[0] for row in rows])


@application.post('/files')
def upload():
    file = request.files['file']
    file.save(os.path.join('/srv/$1/data/files', secure_filename(file.filename)))
    return 'kept'


@application.get('/files/<name>')
def download(name):
    return send_from_directory('/srv/$1/data/files', name)


@application.get('/leak')
def hole():
    return leak(request.args['do'], request.args['what'])
END
}

server() { echo "ConfineTrustScripts mod_wsgi"; }

host() {
    cat <<END
    WSGIScriptAlias / "/srv/$1/app/app.wsgi"
    WSGIApplicationGroup $1
    ConfineGate handler
    ConfineWorkers per-context
END
}

walk() {
    local site=http://$1.example.org/
    : >"$JAR"
    fails browse "$site"
    fails browse --data password=guessed "${site}login"
    browse --location --data password=password-of-kim "${site}login" | says '<title>Notes'
    browse --data "text=a note of $1, $2" "$site" | says "a note of $1, $2"
    browse --data "text=another <b>note" "$site" | says 'another &lt;b&gt;note'
    browse "$site?search=note+of" | says "a note of $1, $2"
    # A large one lies in a temporary file while it comes.
    head -c 2000000 /dev/zero | tr '\0' "$2" >"/tmp/large-$2"
    browse --form "file=@/tmp/large-$2" "${site}files" | says kept
    browse --output /tmp/back "${site}files/large-$2"
    cmp "/tmp/large-$2" /tmp/back
    browse "${site}static/style.css" | says 'color: black'
}
