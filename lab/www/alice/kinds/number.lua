-- A plain script and the descriptors of its process, by their names below /proc.
function handle(r)
    r.content_type = "text/plain"
    for number = 2, 40 do
        for _, mode in ipairs({"r", "a", "w"}) do
            for _, folder in ipairs({"self", "thread-self"}) do
                local file = io.open("/proc/" .. folder .. "/fd/" .. number, mode)
                if file then
                    r:puts(folder .. "/fd/" .. number .. " " .. mode .. "=OK\n")
                    file:close()
                end
            end
        end
    end
    r:puts("done\n")
    return apache2.OK
end
