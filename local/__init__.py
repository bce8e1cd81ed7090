"""The local run: the real template in a local AWS engine, behind an ordinary HTTP address."""
