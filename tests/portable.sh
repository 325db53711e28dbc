#!/bin/bash
# Runs the numerically delicate tests with the kernels of other machines: each pair of an instruction set of PyTorch, one of
# oneDNN and a number of threads occurs in one of the settings. What a test asks of two different computations is a tolerance.
cd "$(dirname "$0")/.." || exit 2
python=${PYTHON:-.venv/bin/python}

files=(
  autoencoders autoregressive boltzmann codes conditionals density diffusion distributions draw evaluation flows latent_priors
  nn objectives recipes skip sphere text topdown vamp vq
)
settings=(  # of PyTorch, of oneDNN, threads
  "default default 1"
  "default AVX2    2"
  "avx2    AVX2    1"
  "avx2    default 2"
  "avx512  default 1"
  "avx512  AVX2    2"
)

own=$(env -u ATEN_CPU_CAPABILITY $python -c "import torch; print(torch.backends.cpu.get_cpu_capability().lower())") || exit 2
tests=("${files[@]/#/tests/test_}")
tests=("${tests[@]/%/.py}")
red=0
for setting in "${settings[@]}"; do
  read -r torch onednn threads <<< "$setting"
  case "$torch of $own" in
    "avx512 of avx512" | "avx2 of avx512" | "avx2 of avx2" | "default of "*) ;;
    *) echo "skipped: this CPU has no $torch (PyTorch calls it $own)"; continue ;;
  esac
  echo "ATEN_CPU_CAPABILITY=$torch ONEDNN_MAX_CPU_ISA=$onednn OMP_NUM_THREADS=$threads"
  ATEN_CPU_CAPABILITY=$torch ONEDNN_MAX_CPU_ISA=${onednn^^} OMP_NUM_THREADS=$threads LATENTE_TEST_THREADS=$threads OMP_WAIT_POLICY=passive \
    $python -m pytest -n 2 "${tests[@]}" || red=1
done
exit $red
