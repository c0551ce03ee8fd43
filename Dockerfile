# One image for every service; the command chooses which. ARG first, so that the same file builds on any Debian 12 base.
ARG BASE_IMAGE=debian:12-slim

FROM ${BASE_IMAGE} AS build
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates curl g++ git make nodejs npm \
  && rm -rf /var/lib/apt/lists/*
ARG RUST_VERSION=1.95.0
ENV RUSTUP_HOME=/opt/rustup CARGO_HOME=/opt/cargo PATH=/opt/cargo/bin:$PATH
RUN curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal --default-toolchain ${RUST_VERSION}
WORKDIR /opt/tidegate
COPY . .
RUN ./hft build && rm -rf target .tools/log \
  && cp "$(readlink -f .tools/node_modules/node-linux-*/bin/node)" /usr/local/bin/node24

FROM ${BASE_IMAGE} AS run
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates libatomic1 libstdc++6 \
  && rm -rf /var/lib/apt/lists/* \
  && groupadd --gid 10001 tidegate && useradd --uid 10001 --gid 10001 --no-create-home tidegate \
  && install -d -o tidegate -g tidegate -m 0750 /run/tidegate /var/lib/tidegate
COPY --from=build /usr/local/bin/node24 /usr/local/bin/node
COPY --from=build /opt/tidegate /opt/tidegate
USER 10001:10001
WORKDIR /run/tidegate
ENV NODE_ENV=production
ENTRYPOINT ["/usr/local/bin/node"]
CMD ["/opt/tidegate/services/monitor/src/main.ts"]
