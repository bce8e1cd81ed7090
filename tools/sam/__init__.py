"""The system with its functions in containers, by `sam local`, beside the local engine and the stand-ins."""
