# An image with shunt-proxy (its entry point) and shuntctl.
#
#   docker build --tag shunt .
#   cat > proxy.toml <<'END'
#   name = "lb1"                          # else the container's id, which is another each time
#   [[listen]]
#   address = "0.0.0.0:8080"
#   [store]
#   directory = "/var/lib/shunt/store"    # for more than one machine: etcd = ["http://10.0.0.2:2379"]
#   [admin]
#   address = "0.0.0.0:9180"
#   END
#   docker run --detach --name shunt --publish 80:8080 --publish 127.0.0.1:9180:9180 \
#       --volume "$PWD/proxy.toml:/etc/shunt/proxy.toml:ro" \
#       --volume shunt-store:/var/lib/shunt --volume shunt-state:/var/lib/shunt-proxy shunt
#   docker exec --env SHUNT_STORE=/var/lib/shunt/store shunt shuntctl status
#
# From inside, 127.0.0.1 is the container: targets need another address of the machine (`bind` in [run]). For TLS,
# listen on 8443 as well, publish 443:8443, and mount the directory of certificates.
#
# Works with the legacy builder as well as with BuildKit.

# Anything with rustup or the toolchain of rust-toolchain.toml, a C compiler and apt-get.
ARG RUST=rust:1.95-bookworm
# Anything with glibc 2.36 or later.
ARG RUNTIME=debian:bookworm-slim

FROM ${RUST} AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends protobuf-compiler libprotobuf-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /shunt

# The dependencies alone, against empty crates: this layer changes with Cargo.lock only.
COPY Cargo.toml Cargo.lock rust-toolchain.toml ./
COPY config/Cargo.toml config/
COPY proxy/Cargo.toml proxy/
COPY controller/Cargo.toml controller/
COPY demo/Cargo.toml demo/
COPY e2e/Cargo.toml e2e/
COPY conformance/Cargo.toml conformance/
COPY bench/Cargo.toml bench/
RUN for crate in config proxy controller demo e2e conformance bench; do \
        mkdir -p $crate/src $crate/tests; \
        touch $crate/src/lib.rs; \
        echo 'fn main() {}' | tee $crate/src/main.rs > $crate/tests/main.rs; \
    done \
    && cargo build --release --locked --package shunt-proxy --package shunt-controller \
    && rm -rf config proxy controller demo e2e conformance bench

COPY . .
# Copied files are older than what was just built from the empty ones; cargo goes by time.
RUN find . -name '*.rs' -not -path './target/*' -exec touch {} + \
    && cargo build --release --locked --package shunt-proxy --package shunt-controller \
    && mkdir /programs \
    && cp target/release/shunt-proxy target/release/shuntctl /programs/

FROM ${RUNTIME}
COPY --from=build /programs/ /usr/bin/
# By number, so that nothing has to exist in the base image. It may not bind ports below 1024, and
# need not: publish 80 to 8080.
RUN mkdir -p /etc/shunt /var/lib/shunt /var/lib/shunt-proxy \
    && chown -R 65532:65532 /var/lib/shunt /var/lib/shunt-proxy
USER 65532:65532
VOLUME /var/lib/shunt-proxy
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/shunt-proxy"]
CMD ["run", "--config", "/etc/shunt/proxy.toml"]
