"""`python -m sweeps` is `mmcr-sweeps`. The current folder comes first on the path then, whatever it holds."""

from mmcr_sweeps import main

if __name__ == "__main__":
    main()
