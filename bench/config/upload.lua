-- For wrk: every request carries 1 MiB.
wrk.method = "POST"
wrk.body = string.rep("shunt on", 128 * 1024)
