document.body.textContent = "Pluct";
