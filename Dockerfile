# The local gateway in a container: `make run`, with the demo model. Not built by our CI: it has no Docker.
#
#   docker build -t ai-model-gateway .
#   docker run --rm -p 8080:8080 ai-model-gateway
#   docker exec CONTAINER make env        # URL and keys, for another shell
#
# For trying it out and for tests, never for production: the emulator keeps everything in memory, and its keys are printed.
FROM python:3.13-slim
RUN apt-get update && apt-get install -y --no-install-recommends make git curl socat && rm -rf /var/lib/apt/lists/*
WORKDIR /gateway
COPY . .
# What the first start would install, and what it would build.
RUN make .local/venv/.tools .local/emulator/.ready build
EXPOSE 8080
# The gateway listens only on the loopback interface, which callers outside the container cannot reach. socat passes their
# connections on at the same port, so that the address which `make env` prints is right for them too.
CMD ["sh", "-c", "socat TCP-LISTEN:8080,bind=$(hostname -i | cut -d' ' -f1),fork,reuseaddr TCP:127.0.0.1:8080 & exec make run"]
