package main

func main() { gonicorn_does_not_run_on_Windows_use_it_in_WSL() }
