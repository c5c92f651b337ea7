"""What a worker heard of devices and sent to them: counted in memory, handed over to the spool every few seconds."""
