"""What `import qutiperf` offers; the names load their modules when they are first used."""
