# The toolkit on NVIDIA GPUs, by the NVIDIA Container Toolkit. In a checkout:
#   docker build --file docker/cuda.Dockerfile --tag restoration-toolkit:cuda .
#   docker run --rm --gpus all restoration-toolkit:cuda           # the demo
#   docker run --rm --gpus all --volume "$PWD:/photos" --user "$(id -u)" restoration-toolkit:cuda \
#       toolkit restore photo.jpg --precision bfloat16

FROM python:3.12-slim AS wheels
WORKDIR /source
RUN pip install --no-cache-dir "uv>=0.8"
COPY . .
# Not pyiqa: its library's licence is non-commercial.
RUN uv build --wheel --all-packages --out-dir /wheels && rm /wheels/restoration_toolkit_pyiqa-*

FROM python:3.12-slim
# The usual wheels of PyTorch bring CUDA's libraries; only the driver is the host's.
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --no-cache-dir "uv>=0.8" \
    && uv pip install --system --no-cache --compile-bytecode \
        "restoration-toolkit[heic,jxl]" /wheels/*.whl
COPY examples/demo.py /opt/demo.py
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
# Weights that are downloaded once, and results; writable for any user, as --user says whose they are.
ENV TOOLKIT_HOME=/cache HF_HOME=/cache/hub
RUN mkdir --mode=1777 /cache /photos
VOLUME /cache
WORKDIR /photos
USER 1000
CMD ["python", "/opt/demo.py"]
