-- Handlers that name another one, and decline.
function cgi(r)
    r.handler = "cgi-script"
    r.filename = "/lab/www/alice/kinds/cgi"
    return apache2.DECLINED
end

function proxy(r)
    r.proxyreq = apache2.PROXYREQ_REVERSE
    r.filename = "proxy:http://127.0.0.1:80/bob/index.html"
    return apache2.DECLINED
end

function proxy_handler(r)
    r.handler = "proxy:http://127.0.0.1:80/bob/index.html"
    return apache2.DECLINED
end
