-- An application with every hole that an application can have: it does what its query says.
-- `?read=/etc/passwd` reads that file, `?run=id` runs that command, and so on.

local actions = {}

function actions.read(r, path)
    local file, why = io.open(path, "rb")
    if not file then return nil, why end
    local text, failure = file:read("a")
    file:close()
    return text, failure
end

function actions.write(r, path)
    local file, why = io.open(path, "wb")
    if not file then return nil, why end
    file:write("written")
    file:close()
    return "written"
end

function actions.remove(r, path)
    local done, why = os.remove(path)
    return done and "removed", why
end

function actions.run(r, command)
    local output = io.popen(command .. " 2>&1; echo status=$?")
    if not output then return nil, "cannot run anything" end
    local text = output:read("a")
    output:close()
    return text
end

function actions.body(r)
    return r:requestbody() or ""
end

function handle(r)
    r.content_type = "text/plain"
    r.headers_out["X-Context"] = r.subprocess_env["CONFINE_CONTEXT"] or "-"
    r.headers_out["X-User"] = r.user or "-"
    for name, value in pairs(r:parseargs()) do
        local text, why = actions[name](r, value)
        if text then r:write(text) else r:write("failed: " .. tostring(why) .. "\n") end
    end
    return apache2.OK
end
