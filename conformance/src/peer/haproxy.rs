//! `HAProxy`.

/// What makes `HAProxy` do what shunt does unasked, as far as it can.
pub(super) const CONFIGURATION: &str = r"
global
  nbthread 1
  maxconn 1024
defaults
  mode http
  option abortonclose
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-request 60s
frontend in
  bind {http1}
  bind {http2} proto h2
  http-request deny deny_status 404 unless { req.fhdr(host),host_only -i app.test }
  http-request del-header Forwarded
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.fhdr(host)]
  default_backend app
backend app
  http-reuse always
  server app {target}
";
