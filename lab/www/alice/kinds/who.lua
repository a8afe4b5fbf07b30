-- Says what this code may read, into the answer and into the error log.
local function line(path)
    local file = io.open(path)
    local text = file and file:read("*l") or "refused"
    if file then file:close() end
    return text
end

local function reads()
    return "own=" .. line("/lab/www/alice/index.html") .. " other=" .. line("/lab/www/bob/index.html")
end

function handle(r)
    r.content_type = "text/plain"
    r:err("SAID handler " .. reads())
    r:puts(reads() .. "\n")
    return apache2.OK
end

-- A hook of the phases before the content, and of logging.
function hook(r)
    r:err("SAID hook " .. reads())
    r.err_headers_out["X-Hook"] = reads()
    return apache2.DECLINED
end

function input(r)
    r:err("SAID input " .. reads())
    coroutine.yield()
    while bucket do coroutine.yield(bucket) end
end

function output(r)
    r:err("SAID output " .. reads())
    coroutine.yield("")
    while bucket do coroutine.yield(bucket) end
end
