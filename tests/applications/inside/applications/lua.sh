# shellcheck shell=bash disable=SC2034,SC2164 # the story reads it, and ends where something fails
# An application in mod_lua, which reads a template, keeps a guest book and takes a file.
MODULES=(lua)
server_hole

prepare() {
    mkdir -p "/srv/$1/data" "/srv/$1/app"
    chown www-data: "/srv/$1/data"
    echo "<h1>Guests of $1</h1>" >"/srv/$1/app/page.html"
    cat >"/srv/$1/app/words.lua" <<'END'
local words = {}
function words.escaped(text) return (text:gsub('[<&]', { ['<'] = '&lt;', ['&'] = '&amp;' })) end
return words
END
    cat >"/srv/$1/app/guests.lua" <<END
package.path = '/srv/$1/app/?.lua'
local words = require 'words'
local book = '/srv/$1/data/book'
function handle(r)
    r.content_type = 'text/html'
    local asked = r:parseargs()
    if r.method == 'POST' then
        local posted = r:parsebody()
        local out = assert(io.open(book, 'a'))
        out:write(posted.line, '\n')
        out:close()
    end
    for line in io.lines('/srv/$1/app/page.html') do r:puts(line, '\n') end
    local read = io.open(book)
    for line in read and read:lines() or function() end do
        if line:find(asked.search or '', 1, true) then r:puts('<p>', words.escaped(line), '\n') end
    end
    return apache2.OK
end
END
}

host() {
    echo "LuaMapHandler \"^/guests\$\" \"/srv/$1/app/guests.lua\""
    server_hole_host
}

walk() {
    local page=http://$1.example.org/guests
    browse --data "line=Robin+was+here,+$2" "$page" | says "Robin was here, $2"
    browse --data "line=Kim <3 $2" "$page" | says 'Kim &lt;3'
    browse "$page?search=Kim" | says "Kim &lt;3 $2"
    browse "$page?search=Kim" | says_not Robin
}
