function handle(r)
    r.content_type = "text/plain"
    r.usleep(1500000)
    r:puts("slow\n")
    return apache2.OK
end
