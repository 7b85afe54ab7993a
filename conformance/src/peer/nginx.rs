//! nginx.

/// What makes nginx do what shunt does unasked, as far as it can.
pub(super) const CONFIGURATION: &str = r#"
daemon off; master_process off; pid {directory}/pid; error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off; server_tokens off; client_max_body_size 0;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
  lingering_timeout 1s; lingering_time 1s;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  upstream app { server {target}; keepalive 16; }
  server { listen {http1} default_server; listen {http2} http2 default_server; return 404; }
  server {
    listen {http1}; listen {http2} http2; server_name app.test;
    location / {
      proxy_pass http://app; proxy_http_version 1.1; proxy_request_buffering off;
      proxy_buffering off;
      proxy_set_header Host $host; proxy_set_header Connection $connection_upgrade;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header TE "";
      proxy_set_header Forwarded ""; proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host;
    }
  }
}
"#;
