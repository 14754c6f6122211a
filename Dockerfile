# Serve a library to a browser, on a processor:
#   docker build -t finereel .
#   docker run --rm -v ~/Videos:/videos:ro -v finereel:/library finereel index /videos --library /library
#   docker run --rm --read-only --tmpfs /scratch -p 127.0.0.1:8080:8080 \
#     -v ~/Videos:/videos:ro -v finereel:/library finereel
# The second command is run again after changes; the third prints the address to open.

FROM python:3.11-slim-bookworm AS build
WORKDIR /source
COPY constraints.txt pyproject.toml README.md LICENSE ./
RUN python -m venv /opt/finereel \
 && /opt/finereel/bin/pip install --no-cache-dir --constraint constraints.txt \
    --index-url https://download.pytorch.org/whl/cpu torch
COPY src src
RUN /opt/finereel/bin/pip install --no-cache-dir --constraint constraints.txt '.[serve]'

FROM python:3.11-slim-bookworm
COPY --from=build /opt/finereel /opt/finereel
RUN useradd --system --uid 10001 --no-create-home finereel \
 && mkdir /library /videos /scratch && chown finereel /library /scratch
# What can be made again lies in /scratch, so that the root file system may be read-only.
ENV PATH=/opt/finereel/bin:$PATH HOME=/scratch TMPDIR=/scratch XDG_CACHE_HOME=/scratch/cache \
    HF_HUB_OFFLINE=1 \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001
VOLUME /library
EXPOSE 8080
STOPSIGNAL SIGINT
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
ENTRYPOINT ["finereel"]
CMD ["serve", "--library", "/library", "--host", "0.0.0.0", "--port", "8080", "--no-open"]
