"""Real images, run by Docker or Podman: the other engine beside the folders of sandbox/, under the same contract."""
