package proc

const self = "/proc/self/exe"
