"""What a grid will cost before it runs: profiles, memory, placement on devices, the preview."""
