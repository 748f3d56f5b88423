"""What every part uses: arrays, options, messages, tables; no statistics of ours."""
