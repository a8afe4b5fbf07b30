# shellcheck shell=bash disable=SC2034,SC2164 # the story reads it, and ends where something fails
# Adminer with a database of SQLite's for each tenant.
MPM=prefork
MODULES=(php8.2)

prepare() {
    mkdir -p "/srv/$1/db"
    chown www-data: "/srv/$1/db"
    # Adminer opens no database without a password unless it is told one.
    cat >"/srv/$1/htdocs/index.php" <<END
<?php
function adminer_object() {
    include_once '/usr/share/adminer/plugins/plugin.php';
    include_once '/usr/share/adminer/plugins/login-password-less.php';
    include_once '/usr/share/adminer/plugins/version-noverify.php';
    return new AdminerPlugin([
        new AdminerVersionNoverify(),
        new AdminerLoginPasswordLess('$(php -r 'echo password_hash("password-of-kim", PASSWORD_DEFAULT);')'),
    ]);
}
include '/usr/share/adminer/adminer.php';
END
    php_folder "$1"
    hole php "$1"
}

host() {
    cat <<END
    DirectoryIndex index.php
END
    php_folder_host "$1"
    hole_host "$1"
}

walk() {
    local adminer=http://$1.example.org/index.php database=/srv/$1/db/notes.db at token
    at="$adminer?sqlite=&username=kim&db=$database"
    : >"$JAR"
    browse "$adminer" | says 'Login'
    browse --location --output first --data "auth[driver]=sqlite&auth[server]=&auth[username]=kim" \
        --data "auth[password]=password-of-kim&auth[db]=" "$adminer"
    query() {
        token=$(browse "$at&sql=" | field token)
        browse --form "query=$1" --form "token=$token" --form limit=100 "$at&sql="
    }
    if [ "$2" = 1 ]; then
        token=$(browse "$adminer?sqlite=&username=kim&database=" | field token)
        browse --location --form "name=$database" --form collation= --form "token=$token" \
            "$adminer?sqlite=&username=kim&database=" | says 'Database has been created'
        query 'CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)' | says 'Query executed OK'
    fi
    query "INSERT INTO notes (text) VALUES ('a note of $1, $2')" | says '1 row affected'
    browse "$at&select=notes" | says "a note of $1, $2"
    browse "$at&select=notes&where[0][col]=text&where[0][op]=LIKE+%25%25&where[0][val]=$2" | says "a note of $1, $2"
    echo "INSERT INTO notes (text) VALUES ('from a file of $1, $2');" >file.sql
    token=$(browse "$at&import=" | field token)
    browse --form sql_file[]=@file.sql --form "token=$token" "$at&import=" | says '1 row affected'
    browse "$at&select=notes" | says "from a file of $1, $2"
    token=$(browse "$at&dump=" | field token)
    browse --data "output=text&format=sql&table_style=CREATE&data_style=INSERT&tables[]=notes&data[]=notes&token=$token" \
        "$at&dump=" | says 'CREATE TABLE'
}
