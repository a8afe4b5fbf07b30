-- Maps native code. The file is said by the query string.
function handle(r)
    r.content_type = "text/plain"
    local ok, linked, why = pcall(function() return package.loadlib(r.args, "*") end)
    r:puts(ok and linked and "linked\n" or "refused " .. tostring(why or linked) .. "\n")
    return apache2.OK
end
