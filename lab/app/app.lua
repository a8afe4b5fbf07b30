-- One application for all tenants: does what the query string says.
--   read=FILE   write=FILE   body
function handle(r)
    r.content_type = "text/plain"
    for verb, path in string.gmatch(r.args or "", "(%a+)=?([^&]*)") do
        if verb == "body" then
            r:puts("body=" .. #(r:requestbody() or "") .. "\n")
        else
            local file, why = io.open(path, verb == "read" and "r" or "a")
            if not file then
                r:puts(verb .. " " .. path .. "=" .. why:gsub("^.*: ", "") .. "\n")
            elseif verb == "read" then
                r:puts("read " .. path .. "=OK " .. (file:read("*l") or "") .. "\n")
            else
                file:write("written\n")
                r:puts("write " .. path .. "=OK\n")
            end
            if file then file:close() end
        end
    end
    return apache2.OK
end
