"""kube-lab: a real Kubernetes of several nodes on one machine, for tests."""
