# The toolkit on a processor. In a checkout:
#   docker build --file docker/cpu.Dockerfile --tag restoration-toolkit:cpu .
#   docker run --rm restoration-toolkit:cpu                       # the demo, in some minutes
#   docker run --rm --volume "$PWD:/photos" --user "$(id -u)" restoration-toolkit:cpu toolkit restore photo.jpg

FROM python:3.12-slim AS wheels
WORKDIR /source
RUN pip install --no-cache-dir "uv>=0.8"
COPY . .
# Not pyiqa: its library's licence is non-commercial.
RUN uv build --wheel --all-packages --out-dir /wheels && rm /wheels/restoration_toolkit_pyiqa-*

FROM python:3.12-slim
# PyTorch for processors comes from an index of its own; without it, the image has 4 GB more.
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir "uv>=0.8" \
    && uv pip install --system --no-cache --compile-bytecode --torch-backend cpu \
        "restoration-toolkit[heic,jxl]" /wheels/*.whl
COPY examples/demo.py /opt/demo.py
# Weights that are downloaded once, and results; writable for any user, as --user says whose they are.
ENV TOOLKIT_HOME=/cache HF_HOME=/cache/hub
RUN mkdir --mode=1777 /cache /photos
VOLUME /cache
WORKDIR /photos
USER 1000
CMD ["python", "/opt/demo.py"]
