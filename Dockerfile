# IMAGE of sweeps/cluster/kuberay.yaml: docker build -t IMAGE .
# torch's wheels bring CUDA with them: a node needs NVIDIA's driver and container runtime, no more.
FROM python:3.11-slim

# g++: torch.compile makes the views with it; wget: KubeRay's probes
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ wget \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /app

# Libraries first: their layer stays when the code changes. ray[default] has the dashboard, to which RayJobs are given.
COPY pyproject.toml ./
RUN python -c 'import tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
extras = project["optional-dependencies"]; wanted = [*extras["s3"], *extras["timm"], *extras["multimodal"]]; \
print(*project["dependencies"], *wanted, "ray[default]==2.60.0", sep="\n")' >requirements.txt \
    && pip install --no-cache-dir --requirement requirements.txt

COPY . ./
RUN pip install --no-cache-dir --no-deps --editable . \
    && ln -s /shared/data data

ENV RAY_USAGE_STATS_ENABLED=0
