module framebroker.example/subscriber

go 1.19
