# An edge node, in an image without a shell or a package manager: Debian's Python, what that needs, and the program.
#   docker build -t edge .
#   docker run --read-only --tmpfs /tmp -v edge:/var/lib/edge -p 8080:8080 edge
# Its configuration is /etc/edge/edge.toml, or variables: config/README.md. A restart is a new container: `edge restart`
# is refused as process 1. The steps are followed, and the size measured, by tests/containers/test_dockerfile.py.

FROM debian:bookworm-slim AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3-venv binutils ca-certificates
WORKDIR /src
COPY requirements-image.lock ./
# --copies would take an interpreter along; a link to Debian's is what the final stage has, too.
RUN python3 -m venv /opt/edge/.venv \
    && /opt/edge/.venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements-image.lock
COPY pyproject.toml README.md LICENSE ./
COPY edge edge
RUN /opt/edge/.venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && /opt/edge/.venv/bin/pip uninstall -y hatchling pathspec pluggy trove-classifiers setuptools pip
# What no node loads: tests, stubs and sources of packages, parts of numpy (which counts devices), symbols of libraries.
# On a read-only file system Python keeps no compiled modules, so all are compiled here; packages and the standard library
# are kept in that form alone, the node's own code with its sources, for tracebacks.
RUN cd /opt/edge/.venv/lib/python3.11/site-packages \
    && rm -rf numpy/f2py numpy/random numpy/_core/include numpy/_core/lib pygments /opt/edge/.venv/include \
    && find . -depth \( -name tests -o -name __pycache__ \) -type d -exec rm -r {} + \
    && find . \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.h' -o -name '*.a' \) -type f -delete \
    && find . -name '*.so*' -type f -not -path './numpy.libs/*' -exec strip --strip-unneeded {} + \
    && mv edge /edge-package && python3 -m compileall -q -b . && find . -name '*.py' -delete && mv /edge-package edge \
    && python3 -m compileall -q edge
# The final root, of Debian's own packages: the C library, OpenSSL, SQLite and Python, without dpkg, apt and a shell.
RUN mkdir -p /debs /root-fs && cd /debs \
    && apt-get download base-files libc6 libgcc-s1 libstdc++6 zlib1g libssl3 libsqlite3-0 libexpat1 libffi8 libbz2-1.0 \
        liblzma5 libuuid1 media-types netbase libpython3.11-minimal libpython3.11-stdlib python3.11-minimal python3-minimal \
    && for each in *.deb; do dpkg-deb -x "$each" /root-fs; done \
    && rm -rf /root-fs/usr/share/doc /root-fs/usr/share/man /root-fs/usr/share/lintian /root-fs/usr/share/locale \
        /root-fs/usr/lib/python3.11/lib2to3 /root-fs/usr/lib/python3.11/pydoc_data /root-fs/usr/lib/*/gconv \
    && mkdir -p /root-fs/etc/ssl/certs /root-fs/etc/edge /root-fs/var/lib/edge /root-fs/opt/edge /root-fs/tmp \
    && cp /etc/ssl/certs/ca-certificates.crt /root-fs/etc/ssl/certs/ \
    && echo 'root:x:0:0:root:/:/nonexistent' > /root-fs/etc/passwd \
    && echo 'edge:x:10001:10001:edge:/var/lib/edge:/nonexistent' >> /root-fs/etc/passwd \
    && echo 'root:x:0:' > /root-fs/etc/group && echo 'edge:x:10001:' >> /root-fs/etc/group \
    && chown 10001:10001 /root-fs/var/lib/edge && chmod 0700 /root-fs/var/lib/edge && chmod 1777 /root-fs/tmp \
    && cp -a /opt/edge/.venv /root-fs/opt/edge/ \
    && python3 -m compileall -q -b /root-fs/usr/lib/python3.11 && find /root-fs/usr/lib/python3.11 -name '*.py' -delete

FROM scratch
COPY --from=build /root-fs /
ENV PATH=/opt/edge/.venv/bin EDGE_CONFIG=/etc/edge/edge.toml EDGE_DATA_DIR=/var/lib/edge EDGE_LOG_FORMAT=json PYTHONDONTWRITEBYTECODE=1
COPY config/image.toml /etc/edge/edge.toml
USER 10001:10001
WORKDIR /var/lib/edge
VOLUME /var/lib/edge
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
# The worker that answers is alive. A node that serves stale is healthy: it serves.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["/opt/edge/.venv/bin/python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/livez', timeout=4)"]
ENTRYPOINT ["/opt/edge/.venv/bin/edge"]
CMD ["serve"]
