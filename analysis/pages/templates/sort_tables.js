document.querySelectorAll('th').forEach(th=>{th.tabIndex=0;const go=()=>{
const i=[...th.parentNode.children].indexOf(th),body=th.closest('table').tBodies[0],up=th.dataset.up!=='1';
th.dataset.up=up?'1':'0';const key=r=>{const t=r.cells[i].dataset.value??r.cells[i].textContent,n=Number(t);
return t!==''&&!isNaN(n)?n:t};[...body.rows].sort((a,b)=>{const x=key(a),y=key(b);
return (x>y?1:x<y?-1:0)*(up?1:-1)}).forEach(r=>body.appendChild(r))};
th.onclick=go;th.onkeydown=e=>{if(e.key==='Enter')go()}});
