-- Asks for HTTP/2 in the client's name, by a request inside this one.
function handle(r)
    r.content_type = "text/html"
    r.headers_in["Upgrade"] = "h2c"
    r.headers_in["Connection"] = "Upgrade, HTTP2-Settings"
    r.headers_in["HTTP2-Settings"] = "AAMAAABkAARAAAAAAAIAAAAA"
    r:puts('<!--#include virtual="/alice/kinds/slow.lua" -->')
    return apache2.OK
end
