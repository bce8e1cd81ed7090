"""The released app's wallet: quotes, fulfilments, synchronisation, its policy, requests for credits."""
