"""libvirt, spoken plainly: connections, domain XML, devices, migration jobs, channels."""
