"""Small Python kubectl, helm, cilium and hubble: the real protocols, the same output, nothing to install."""
